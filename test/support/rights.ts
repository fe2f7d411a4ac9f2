/** Who may see the pages that load.ts records about. */
import type { World } from './world.ts';

const PUT = `mutation ($input: PutResourceInput!) { putResource(input: $input) { ref } }`;
const SET = `mutation ($ref: ResourceRef!, $acl: AclInput!) { setResourceAcl(ref: $ref, acl: $acl) { ref } }`;

/** Creates pages that the holders of a claim may see. */
export async function showPages(world: World, refs: readonly string[], claim: string): Promise<void> {
  for (const ref of refs) await world.ask(PUT, { input: { ref, acl: { viewData: [claim] } } });
}

/** From now on these may see the page, beside its owner. */
export async function setViewers(
  world: World,
  ref: string,
  viewData: readonly string[],
  options: Parameters<World['ask']>[2] = {},
): Promise<void> {
  await world.ask(SET, { ref, acl: { viewData } }, options);
}
