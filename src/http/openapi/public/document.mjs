const METHODS = ['get', 'post', 'put', 'patch', 'delete'];

/**
 * The document without the examples of optional parameters. Swagger UI fills examples in, and with all of them filled in
 * a list has no items: they are for readers, and there they stay, in the description.
 */
export function withoutPrefilledOptions(document) {
  for (const path of Object.values(document.paths)) {
    for (const method of METHODS) {
      path[method]?.parameters?.filter(({ required }) => !required).forEach(moveExampleToDescription);
      // An id is offered from the last list, never made up.
      path[method]?.parameters?.filter(({ in: place }) => place === 'path').forEach(dropExample);
    }
  }
  return document;
}

function moveExampleToDescription(parameter) {
  const { description, default: initial } = { description: parameter.description, ...parameter.schema };
  const example = dropExample(parameter);
  if (example !== undefined && example !== initial) {
    parameter.description = `${parameter.description ?? description ?? ''} Such as \`${example}\`.`.trim();
  }
}

function dropExample(parameter) {
  const example = parameter.example ?? parameter.schema?.example;
  delete parameter.example;
  delete parameter.schema?.example;
  return example;
}
