/** What Swagger UI leaves out for those who use a keyboard or a screen reader. */
export function accessibility({ React }) {
  const h = React.createElement;

  const makeFocusable = (element) => element?.querySelector('pre')?.setAttribute('tabindex', '0');

  const named = (name) => (Original) => {
    const setName = (element) => element?.querySelector('select')?.setAttribute('aria-label', name);
    return (props) => h('div', { ref: setName }, h(Original, props));
  };

  return {
    wrapComponents: {
      ExamplesSelect: named('Examples'),
      // That of a parameter: its name is in another cell.
      Select: named('Value'),
      TextArea: (Original) => (props) => h(Original, { 'aria-label': 'Request body', ...props }),
      // What scrolls is reached by the keyboard.
      HighlightCode: (Original) => (props) => h('div', { ref: makeFocusable }, h(Original, props)),
      curl: (Original) => (props) => h('div', { ref: makeFocusable }, h(Original, props)),
      // The summary is a button, and no place for a link. The address names an opened route anyway.
      OperationSummaryPath: (Original) => (props) =>
        h(Original, { ...props, operationProps: props.operationProps.set('isDeepLinkingEnabled', false) }),
    },
  };
}
