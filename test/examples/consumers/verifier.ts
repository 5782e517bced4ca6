import { type Caller, callerOf, createVerifier } from 'latchkey/verifier';
import { LatchkeyGuard } from 'latchkey/verifier/nest';

const verifier = createVerifier({ url: 'https://auth.example.com', clientId: 'an id', clientSecret: 'a secret' });

export const guard = new LatchkeyGuard(verifier);
export const caller = (request: object): Caller => callerOf(request);
