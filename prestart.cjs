// Runs before `npm start`, and before anything that needs a new Node.js or an installed package: builds the service where
// the compiler is installed, and says what is missing where it cannot start.
'use strict';

const { spawnSync } = require('child_process');
const { existsSync } = require('fs');

const [major, minor] = process.versions.node.split('.').map(Number);
const [, neededMajor, neededMinor] = /(\d+)\.(\d+)/.exec(require('./package.json').engines.node).map(Number);

function refuse(...lines) {
  console.error(lines.join('\n'));
  process.exit(1);
}

if (major < neededMajor || (major === neededMajor && minor < neededMinor)) {
  refuse(
    `Latchkey needs Node.js ${neededMajor}.${neededMinor} or newer, and this is ${process.version} (${process.execPath}).`,
    'Install one from https://nodejs.org, or with your version manager, such as: nvm install 24',
  );
}
if (!existsSync('node_modules/@nestjs/core')) {
  refuse('Nothing is installed yet. Run: npm ci');
}
if (existsSync('node_modules/@nestjs/cli')) {
  const { status } = spawnSync('npm run --silent compile', { shell: true, stdio: 'inherit' });
  process.exit(status === null ? 1 : status);
}
if (!existsSync('dist/main.js')) {
  refuse('There is no dist/main.js, and no compiler to make it. Run "npm ci" without --omit=dev, or copy dist/ here.');
}
