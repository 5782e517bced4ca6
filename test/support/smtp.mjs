// A mail server of a test's own, in a process that the test can end: node smtp.mjs <port> [slow]. Each mail it takes becomes a
// line of JSON on its output.
import { simpleParser } from 'mailparser';
import { SMTPServer } from 'smtp-server';

const isSlow = process.argv[3] === 'slow';
let atOnce = 0;

const server = new SMTPServer({
  authOptional: true,
  disabledCommands: ['STARTTLS'],
  // As servers refuse a mailbox that is not there, for good.
  onRcptTo: ({ address }, _session, done) =>
    done(address.startsWith('gone-') ? Object.assign(new Error('no such mailbox'), { responseCode: 550 }) : undefined),
  onData: (stream, session, done) => {
    console.log(JSON.stringify({ atOnce: ++atOnce }));
    simpleParser(stream).then(({ subject, text, html, messageId, from }) => {
      const to = session.envelope.rcptTo.map(({ address }) => address).join();
      console.log(JSON.stringify({ mail: { to, from: from.text, subject, text, html, messageId } }));
      // A slow one takes each only a while after it has it.
      setTimeout(
        () => {
          atOnce--;
          done();
        },
        isSlow ? 1000 : 0,
      );
    }, done);
  },
});
server.on('error', (error) => console.error(error.message));
server.listen(Number(process.argv[2]), '127.0.0.1', () => console.log(JSON.stringify({ isListening: true })));
