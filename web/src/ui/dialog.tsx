/** A window above the page: closed by Escape, by a click beside it, and by its button. */
import { type ReactNode, useEffect, useId, useRef } from 'react';
import './dialog.css';

export function Dialog({
  title,
  onClose,
  children,
}: {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ReactNode;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the keyboard closes it by Escape, which the element does by itself.
    <dialog
      ref={dialog}
      aria-labelledby={id}
      onClose={onClose}
      onClick={(event) => {
        if (event.target === dialog.current) dialog.current.close();
      }}
    >
      <div className="dialog-body">
        <header>
          <h2 id={id}>{title}</h2>
          <button
            type="button"
            className="quiet icon"
            onClick={() => dialog.current?.close()}
            aria-label="Close"
          >
            ✕
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}
