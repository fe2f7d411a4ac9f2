/**
 * The focus of a panel beside a list:
 *
 *     list ──chosen by a click or Enter──▶ panel ──closed──▶ where it came from
 *     list ──walked through by keys──▶ list, while the panel follows
 *
 * What it came from may be gone by then, as a row that has moved out of sight: then what that stood in takes it.
 */
import { type RefObject, useEffect, useLayoutEffect, useRef } from 'react';

/**
 * @param id what the panel shows.
 * @param takesFocus that was chosen to be read. False leaves the focus where it is.
 * @returns for the panel, which takes the focus by a `tabIndex` of -1.
 */
export function usePanelFocus(id: string, takesFocus: boolean): RefObject<HTMLElement | null> {
  const panel = useRef<HTMLElement>(null);
  const ways = useRef<readonly HTMLElement[]>([]);
  const hadFocus = useRef(false);

  // Before the browser takes the focus from what the panel may have hidden.
  // biome-ignore lint/correctness/useExhaustiveDependencies: another one may have been chosen from elsewhere.
  useLayoutEffect(() => {
    const { activeElement } = document;
    if (panel.current?.contains(activeElement)) return;
    // Where the panel took its time to load, that has happened: what stands around it is left.
    const from = activeElement === document.body ? panel.current?.parentElement : activeElement;
    ways.current = focusablesAround(from ?? null);
  }, [id, takesFocus]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: each that is chosen is gone to.
  useEffect(() => {
    if (takesFocus) panel.current?.focus();
  }, [id, takesFocus]);

  useLayoutEffect(() => {
    const { current } = panel;
    // The last moment at which it is there to be asked.
    return () => {
      hadFocus.current = current?.contains(document.activeElement) ?? false;
    };
  }, []);
  useEffect(
    () => () => {
      // Only now is there again what the panel has hidden. Who has gone elsewhere meanwhile stays there.
      if (hadFocus.current) ways.current.find(canTakeFocus)?.focus();
    },
    [],
  );
  return panel;
}

/** It, where it can have the focus, and all around it that can. */
function focusablesAround(element: Element | null): HTMLElement[] {
  const focusables: HTMLElement[] = [];
  for (let at = element; at !== null; at = at.parentElement) {
    if (at instanceof HTMLElement && (at.tabIndex >= 0 || at.hasAttribute('tabindex'))) focusables.push(at);
  }
  return focusables;
}

function canTakeFocus(element: HTMLElement): boolean {
  return element.isConnected && element.checkVisibility();
}
