/** What the keyboard does, and how filters are written. */
import { Dialog } from './dialog.tsx';
import './help.css';

const KEYS: readonly (readonly [string, string])[] = [
  ['/', 'write a filter'],
  ['j  k', 'next and previous event'],
  ['Enter', 'open the event; Escape closes it'],
  ['Space', 'pause the stream, and go on'],
  ['t', 'the tree of the event'],
  ['g', 'to the newest event'],
  ['1  2  3', 'Live, Overview, Types'],
  ['?', 'this help'],
];

const FILTERS: readonly (readonly [string, string])[] = [
  ['type:deployment.*', 'type begins with “deployment.”'],
  ['severity>=HIGH', 'HIGH or CRITICAL'],
  ['actor:user/jane', 'caused by Jane'],
  ['resource.type:page', 'about any page'],
  ['-type:note', 'not a note'],
  ['attr.branch:main', 'an attribute is this'],
  ['attr.elapsed_ms>=100', 'an attribute is this or more'],
  ['attr.error', 'an attribute is there'],
  ['last:24h', 'within the last day'],
  ['two words', 'both stand in the message'],
];

export function HelpDialog({ onClose }: { readonly onClose: () => void }) {
  return (
    <Dialog title="Help" onClose={onClose}>
      <div className="help">
        <section>
          <h3>Keyboard</h3>
          <dl>
            {KEYS.map(([keys, meaning]) => (
              <div key={keys}>
                <dt>
                  {keys.split('  ').map((key) => (
                    <kbd key={key}>{key}</kbd>
                  ))}
                </dt>
                <dd>{meaning}</dd>
              </div>
            ))}
          </dl>
        </section>
        <section>
          <h3>Filters</h3>
          <dl>
            {FILTERS.map(([text, meaning]) => (
              <div key={text}>
                <dt>
                  <code>{text}</code>
                </dt>
                <dd>{meaning}</dd>
              </div>
            ))}
          </dl>
          <p className="hint">
            Conditions on one field are alternatives; different fields must all hold. The address keeps the
            filter: copy it to share what you see.
          </p>
        </section>
      </div>
    </Dialog>
  );
}
