/** For a plugin that learns from every answer, refusals too, once Swagger UI has it. */
export const learningFromAnswers = (learn) => ({
  spec: {
    wrapActions: {
      setResponse: (original, system) => (path, method, response) => {
        const action = original(path, method, response);
        learn(system, path, method, response.err?.response ?? response);
        return action;
      },
    },
  },
});
