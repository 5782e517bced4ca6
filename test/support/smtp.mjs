// A mail server of a test's own, in a process that the test can end: node smtp.mjs <port>. Each mail it takes becomes a
// line of JSON on its output.
import { simpleParser } from 'mailparser';
import { SMTPServer } from 'smtp-server';

const server = new SMTPServer({
  authOptional: true,
  disabledCommands: ['STARTTLS'],
  onData: (stream, session, done) => {
    simpleParser(stream).then(({ subject, text, html, messageId, from }) => {
      const to = session.envelope.rcptTo.map(({ address }) => address).join();
      console.log(JSON.stringify({ mail: { to, from: from.text, subject, text, html, messageId } }));
      done();
    }, done);
  },
});
server.on('error', (error) => console.error(error.message));
server.listen(Number(process.argv[2]), '127.0.0.1', () => console.log(JSON.stringify({ isListening: true })));
