/**
 * Who may see what: public repositories everybody, private ones those who own them: `user/<login>`, or
 * `group/<organization>`. All else belongs to whoever records it, as any resource does of which nothing else
 * is said.
 */
import { timeOf } from './mapping.ts';
import { type Delivery, type Payload, read, text } from './payloads.ts';

/** As `putResource` takes it. */
export interface ResourceInput {
  readonly ref: string;
  readonly name: string;
  readonly acl: { readonly viewData: readonly string[] };
}

/** The repositories, each as public or private as it was when last heard of: that covers its past, too. */
export function repositoriesOf(deliveries: readonly Delivery[]): ResourceInput[] {
  const latest = new Map<string, Delivery>();
  for (const delivery of [...deliveries].sort((a, b) => timeOf(a) - timeOf(b))) {
    const name = text(delivery.payload, 'repository.full_name');
    if (name !== undefined) latest.set(name, delivery);
  }
  return [...latest].map(([name, { payload }]) => ({
    ref: `repository/${name}`,
    name,
    acl: {
      viewData:
        read(payload, 'repository.private') === true ? [ownerOf(payload)] : [ANONYMOUS, ownerOf(payload)],
    },
  }));
}

/** Held by requests without a token, and by no others. */
export const ANONYMOUS = 'group/anonymous';

function ownerOf(payload: Payload): string {
  const kind = text(payload, 'repository.owner.type') === 'Organization' ? 'group' : 'user';
  return `${kind}/${text(payload, 'repository.owner.login')}`;
}
