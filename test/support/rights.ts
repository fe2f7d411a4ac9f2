/** Who may see the pages that load.ts records about. */
import type { World } from './world.ts';

const PUT = `mutation ($input: PutResourceInput!) { putResource(input: $input) { ref } }`;

/** Creates pages that the holders of a claim may see. */
export async function showPages(world: World, refs: readonly string[], claim: string): Promise<void> {
  for (const ref of refs) await world.ask(PUT, { input: { ref, acl: { viewData: [claim] } } });
}
