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
      h('caption', null, 'Refusals, each as ', h('code', null, mediaTypeOf(responses))),
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

// Where there are no examples, as in routes of your own, refusals are those of the service.
const MEDIA_TYPES = ['application/problem+json', 'application/json'];

const examplesIn = (response, mediaType) => response.getIn(['content', mediaType, 'examples']);

const mediaTypeOf = (responses) =>
  MEDIA_TYPES.find((mediaType) => responses.some((response) => examplesIn(response, mediaType))) ?? MEDIA_TYPES[0];

/** A row for each code among the examples, which OAuth calls an error; where there are none, what the response says. */
function rowsOf(status, response) {
  const examples = MEDIA_TYPES.map((mediaType) => examplesIn(response, mediaType)).find(Boolean);
  if (!examples) return [[status, '', response.get('description')]];
  return examples
    .valueSeq()
    .map((example) => example.get('value'))
    .map((value) => [
      status,
      value.get('code') ?? value.get('error'),
      value.get('detail') ?? value.get('error_description'),
    ])
    .toArray();
}

function answerOf(response) {
  const body = response?.get('body');
  const { code, error } = body?.toJS?.() ?? body ?? {};
  return response && { status: String(response.get('status')), code: code ?? error };
}
