/** A button that a form takes the place of: it has the focus again once the form is closed. */
import { type RefObject, useEffect, useRef } from 'react';

/** @returns for the button, which is there only while the form is not. */
export function useFocusBack<Kind extends HTMLElement>(isOpen: boolean): RefObject<Kind | null> {
  const button = useRef<Kind>(null);
  const wasOpen = useRef(false);
  useEffect(() => {
    if (wasOpen.current && !isOpen) button.current?.focus();
    wasOpen.current = isOpen;
  }, [isOpen]);
  return button;
}
