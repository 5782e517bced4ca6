/**
 * A button on every route, open or not. It runs the route at once if nothing has to be filled in; otherwise it opens
 * it and waits in its first field. Ctrl+Enter (or Cmd+Enter) in an open route runs it too.
 */
export function run({ React }) {
  const h = React.createElement;

  document.addEventListener('keydown', (event) => {
    const execute = event.target.closest?.('.opblock')?.querySelector('.execute');
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey) && execute) {
      event.preventDefault();
      execute.click();
    }
  });

  function Summary(Original, system, props) {
    const { operationProps, isShown, toggleShown } = props;
    const operation = system.specSelectors
      .specJson()
      .getIn(['paths', operationProps.get('path'), operationProps.get('method')]);
    const isReady = isShown || !needsInput(operation);
    const onClick = (event) => {
      const block = event.currentTarget.closest('.opblock');
      if (!isShown) toggleShown();
      whenShown(block, isReady ? EXECUTE : FIELDS, (found) => (isReady ? found.click() : found.focus()));
    };
    return h(
      'div',
      { className: 'summary-row' },
      h(Original, props),
      h('button', { type: 'button', className: 'btn run', onClick }, isReady ? 'Run' : 'Fill in'),
    );
  }

  return {
    wrapComponents: { OperationSummary: (Original, system) => (props) => Summary(Original, system, props) },
  };
}

// Swagger UI shows the button a moment before it knows the operation; its parameters come with it.
const EXECUTE = '.opblock-section ~ * .execute';
const FIELDS = '.parameters input, .body-param__text';

const needsInput = (operation) =>
  operation.getIn(['requestBody', 'required']) === true ||
  (operation.get('parameters')?.some((parameter) => parameter.get('required')) ?? false);

/** Calls back with the first element of the kind, as soon as it is there. */
function whenShown(block, selector, callback) {
  const found = block.querySelector(selector);
  if (found) {
    callback(found);
    return;
  }
  const observer = new MutationObserver(() => {
    const added = block.querySelector(selector);
    if (added) {
      observer.disconnect();
      callback(added);
    }
  });
  observer.observe(block, { childList: true, subtree: true });
}
