/** Ways from one thing to another. Events, and so their streams and what they are about, are of one journal. */
import { Link } from 'wouter';
import { useApp } from '../session/app-context.ts';
import { Text } from '../ui/text.tsx';
import { type Chip, fieldChip } from './chip.ts';
import { ALL_TIME, printView } from './view.ts';

/**
 * Where a resource is shown: `page/50%` at `/resource/page/50%25`. A browser takes parts that are dots out of a path,
 * however they are written: such a reference is told beside it.
 *
 * @param journal of its events; left out, the usual one.
 */
export function resourcePath(ref: string, journal?: string): string {
  const parts = ref.split('/');
  const parameters = new URLSearchParams();
  const isDotted = parts.some((part) => part === '.' || part === '..');
  if (isDotted) parameters.set('ref', ref);
  if (journal !== undefined) parameters.set('journal', journal);
  const path = isDotted ? '/resource' : `/resource/${parts.map(encodeURIComponent).join('/')}`;
  return parameters.size === 0 ? path : `${path}?${parameters}`;
}

interface OfJournal {
  /** Left out, it is the usual one. */
  readonly journal?: string;
}

interface ResourceLinkProps extends OfJournal {
  readonly reference: string;
  readonly most?: number;
}

export function ResourceLink({ reference, most = 80, journal }: ResourceLinkProps) {
  const { config } = useApp();
  return (
    <Link href={resourcePath(reference, journal === config.journal ? undefined : journal)} className="ref">
      <Text of={reference} most={most} />
    </Link>
  );
}

/** To the stream of what conditions let through. @param journal left out, the usual one. */
export function useStreamPath(journal?: string): (...chips: readonly Chip[]) => string {
  const { config } = useApp();
  const view = { journal: journal ?? config.journal, time: ALL_TIME };
  return (...chips) => `/?${printView({ ...view, chips }, config.journal)}`;
}

export function ActorLink({ actor, journal }: OfJournal & { readonly actor: string }) {
  const pathTo = useStreamPath(journal);
  return (
    <Link href={pathTo(fieldChip('actor', actor))} className="ref">
      <Text of={actor} most={80} />
    </Link>
  );
}

export function TypeLink({ type, journal }: OfJournal & { readonly type: string }) {
  const pathTo = useStreamPath(journal);
  return (
    <Link href={pathTo(fieldChip('type', type))} className="type">
      <Text of={type} most={80} />
    </Link>
  );
}
