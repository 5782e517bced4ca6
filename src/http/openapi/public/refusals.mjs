/**
 * One small table of all the refusals of a route, instead of an example for each status. The answer that a client hopes
 * for stays as Swagger UI shows it.
 */
export function refusals({ React }) {
  const h = React.createElement;

  function Refusals({ responses, answer }) {
    const rows = responses.entrySeq().flatMap(([status, response]) => rowsOf(status, response));
    const isAnswer = ([status, code]) => status === answer?.status && (code === answer.code || code === '');
    return h(
      'table',
      { className: 'refusals' },
      h('caption', null, 'Refusals, each as ', h('code', null, 'application/problem+json')),
      h('thead', null, h('tr', null, ...['Status', 'Code', 'Meaning'].map((text) => h('th', { scope: 'col' }, text)))),
      h(
        'tbody',
        null,
        ...rows.map((row) =>
          h(
            'tr',
            { 'aria-current': isAnswer(row) || undefined },
            h('td', null, row[0]),
            h('td', null, h('code', null, row[1])),
            h('td', null, row[2]),
          ),
        ),
      ),
    );
  }

  function Responses(Original, props) {
    const isRefusal = (status) => /^[45]/.test(status);
    const refused = props.responses.filter((_, status) => isRefusal(status));
    const others = props.responses.filter((_, status) => !isRefusal(status) && status !== 'default');
    if (refused.isEmpty() || others.isEmpty()) return h(Original, props);
    return h(
      React.Fragment,
      null,
      h(Original, { ...props, responses: others }),
      h(Refusals, { responses: refused, answer: answerOf(props.tryItOutResponse) }),
    );
  }

  return { wrapComponents: { responses: (Original) => (props) => Responses(Original, props) } };
}

/** A row for each code among the examples; where there are none, as in routes of your own, what the response says. */
function rowsOf(status, response) {
  const examples = response.getIn(['content', 'application/problem+json', 'examples']);
  if (!examples) return [[status, '', response.get('description')]];
  return examples
    .valueSeq()
    .map((example) => [status, example.getIn(['value', 'code']), example.getIn(['value', 'detail'])])
    .toArray();
}

function answerOf(response) {
  const body = response?.get('body');
  return response && { status: String(response.get('status')), code: body?.get?.('code') ?? body?.code };
}
