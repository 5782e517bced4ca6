// Imports nothing by itself: on an older Node.js it is the imports that fail, in words that help nobody. The number is that
// of "engines" in package.json.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`Latchkey needs Node.js 20.19 or newer, and this is ${process.version} (${process.execPath}).`);
  console.error('Install one from https://nodejs.org, or with your version manager, such as: nvm install 24');
  process.exit(1);
}
await import('./process/run.js');
