/** A customer of the bank, who knows its API only. */

export interface Customer {
  /** Runs an operation. @throws Error with the code and sentence of the first error. */
  ask<Data>(document: string, variables?: object): Promise<Data>;
  register(): Promise<void>;
  signIn(): Promise<void>;
  /** @returns its id. */
  openAccount(cents: number): Promise<string>;
  transfer(from: string, to: string, cents: number): Promise<void>;
  closeAccount(id: string): Promise<void>;
}

interface Answer<Data> {
  readonly data?: Data;
  readonly errors?: readonly { readonly message: string; readonly extensions?: { readonly code?: string } }[];
}

export function createCustomer(url: string, name: string): Customer {
  const pin = '27182818';
  let token: string | null = null;

  async function ask<Data>(query: string, variables: object = {}): Promise<Data> {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'bank-app/1.0',
        ...(token !== null && { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify({ query, variables }),
    });
    const { data, errors } = (await response.json()) as Answer<Data>;
    const [error] = errors ?? [];
    if (error !== undefined || data === undefined) {
      throw new Error(`${error?.extensions?.code}: ${error?.message}`);
    }
    return data;
  }

  return {
    ask,
    async register() {
      const text = 'mutation register($name: String!, $pin: String!) { register(name: $name, pin: $pin) }';
      await ask(text, { name, pin });
    },
    async signIn() {
      const text = 'mutation signIn($name: String!, $pin: String!) { signIn(name: $name, pin: $pin) }';
      token = (await ask<{ signIn: string }>(text, { name, pin })).signIn;
    },
    async openAccount(cents) {
      const text = 'mutation openAccount($cents: Int!) { openAccount(cents: $cents) { id } }';
      return (await ask<{ openAccount: { id: string } }>(text, { cents })).openAccount.id;
    },
    async transfer(from, to, cents) {
      const text = `mutation transfer($from: ID!, $to: ID!, $cents: Int!) {
        transfer(from: $from, to: $to, cents: $cents) { id }
      }`;
      await ask(text, { from, to, cents });
    },
    async closeAccount(id) {
      await ask('mutation closeAccount($id: ID!) { closeAccount(id: $id) }', { id });
    },
  };
}
