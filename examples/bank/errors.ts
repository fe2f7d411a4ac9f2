/** What customers do wrong. It is no fault of the bank: `expected` keeps stacks out of the history. */
import { GraphQLError } from 'graphql';

class Refusal extends GraphQLError {
  readonly expected = true;

  constructor(code: string, sentence: string) {
    super(sentence, { extensions: { code } });
    // Raised where it is thrown, not here.
    Error.captureStackTrace(this, new.target);
  }
}

export class InsufficientFunds extends Refusal {
  override readonly name = 'InsufficientFunds';

  constructor(account: string, cents: number) {
    super('INSUFFICIENT_FUNDS', `There are less than ${cents} cents on the account ${account}.`);
  }
}

export class NotYours extends Refusal {
  override readonly name = 'NotYours';

  constructor(account: string) {
    super('FORBIDDEN', `The account ${account} is not yours, or there is none.`);
  }
}

export class NotEmpty extends Refusal {
  override readonly name = 'NotEmpty';

  constructor(account: string) {
    super('NOT_EMPTY', `There is money on the account ${account}: move it before you close it.`);
  }
}

export class NotSignedIn extends Refusal {
  override readonly name = 'NotSignedIn';

  constructor() {
    super('UNAUTHENTICATED', 'Sign in first, with your name and PIN.');
  }
}
