// As examples write an access token: cut, so that nobody takes it for one.
const CUT = /^eyJ[^"\s]*…$/;
const CUT_IN_JSON = /"eyJ[^"\s]*…"/g;

/** Where an example is an access token, the one that the page is authorized with stands in its place. */
export function tokens({ React }) {
  const h = React.createElement;

  function Field(Original, system, props) {
    const { value, onChange } = props;
    const filled = React.useRef(null);
    // After each: the page may be authorized anew while the field is open.
    React.useEffect(() => {
      const token = tokenOf(system);
      const isOurs = typeof value === 'string' && (CUT.test(value) || value === filled.current);
      if (token && isOurs && value !== token) {
        filled.current = token;
        onChange(token);
      }
    });
    return h(Original, props);
  }

  function Body(Original, system, props) {
    const { value, defaultValue, onChange } = props;
    const text = value ?? defaultValue;
    React.useEffect(() => {
      const token = tokenOf(system);
      const filled = typeof text === 'string' && token ? text.replaceAll(CUT_IN_JSON, JSON.stringify(token)) : text;
      if (filled !== text) onChange(filled);
    });
    return h(Original, props);
  }

  return {
    wrapComponents: {
      // One component for each: a new one at each render would be mounted anew, and lose the focus and what it holds.
      JsonSchemaForm: (Original, system) => (props) => Field(Original, system, props),
      RequestBodyEditor: (Original, system) => (props) => Body(Original, system, props),
    },
  };
}

const tokenOf = ({ authSelectors }) =>
  authSelectors
    .authorized()
    .find((entry) => entry.getIn(['schema', 'scheme']) === 'bearer')
    ?.get('value');
