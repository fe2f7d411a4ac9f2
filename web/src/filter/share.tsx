/** The view for others: its address, the same filter as GraphQL, and as a command. */
import type { EventFilter } from '../../../src/client/index.ts';
import { CopyButton } from '../ui/copy.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { asCommand, asGraphql } from './event-filter.ts';
import type { View } from './view.ts';

export interface ShareDialogProps {
  readonly view: View;
  readonly filter: EventFilter | null;
  readonly onClose: () => void;
}

export function ShareDialog({ view, filter, onClose }: ShareDialogProps) {
  const texts = [
    { name: 'Address', text: location.href, hint: 'Whoever opens it sees what they may see.' },
    { name: 'Command', text: asCommand(view, filter), hint: 'The newest 50, then what follows.' },
    { name: 'GraphQL', text: asGraphql(view.journal, filter), hint: 'To paste into GraphiQL, at /graphql.' },
  ];
  return (
    <Dialog title="Share this view" onClose={onClose}>
      {texts.map(({ name, text, hint }) => (
        <section key={name} className="shared">
          <header>
            <h3>{name}</h3>
            <CopyButton text={text} what={name} />
          </header>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, which the keyboard must reach. */}
          <pre tabIndex={0}>{text}</pre>
          <p className="hint">{hint}</p>
        </section>
      ))}
    </Dialog>
  );
}
