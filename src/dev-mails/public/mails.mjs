// Shows a new mail by itself. After a restart of the service the browser connects again, and a mail may have come meanwhile.
const changes = new EventSource('/dev/mails/changes');
let wasCut = false;
changes.addEventListener('mail', () => location.reload());
changes.addEventListener('error', () => (wasCut = true));
changes.addEventListener('open', () => wasCut && location.reload());
