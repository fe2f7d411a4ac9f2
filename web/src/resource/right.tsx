/** A right by its name and what it is for, as the head of its row. */
import type { Right } from '../../../src/access/acl.ts';

/** What the schema says of them, in short. */
const MEANING: Readonly<Record<Right, string>> = {
  owners: 'All rights; they alone see private parts.',
  viewMeta: 'See it, and the envelope of its events.',
  viewData: 'See attributes and payload as well.',
  viewAcl: 'See these rights, and how they were changed.',
  editMeta: 'Rename it.',
  editData: 'Record events about it.',
  editAcl: 'Change these rights.',
  manage: 'For applications: Eventree asks for it nowhere.',
  delete: 'For applications: Eventree asks for it nowhere.',
};

export function RightHead({ right }: { readonly right: Right }) {
  return (
    <th scope="row">
      {right}
      <span className="hint">{MEANING[right]}</span>
    </th>
  );
}
