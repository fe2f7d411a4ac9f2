/** The view that the address names, and how to go to another one. */
import { useCallback, useMemo } from 'react';
import { useLocation } from 'wouter';
import { useSearch } from 'wouter/use-browser-location';
import { useApp } from '../session/app-context.ts';
import { type Chip, printChip } from './chip.ts';
import { printView, readView, type TimeRange, type View } from './view.ts';

export interface ViewControl {
  readonly view: View;
  show(view: View): void;
  add(chip: Chip): void;
  remove(index: number): void;
  setTime(time: TimeRange): void;
}

export function useView(): ViewControl {
  const { config } = useApp();
  const [path, navigate] = useLocation();
  // As the address has it: the other hook has decoded it once.
  const search = useSearch();
  const view = useMemo(() => readView(search, config.journal), [search, config.journal]);
  const show = useCallback(
    (next: View) => {
      const text = printView(next, config.journal);
      navigate(text === '' ? path : `${path}?${text}`);
    },
    [navigate, path, config.journal],
  );
  return useMemo(
    () => ({
      view,
      show,
      add(chip) {
        const isThere = view.chips.some((each) => printChip(each) === printChip(chip));
        if (!isThere) show({ ...view, chips: [...view.chips, chip] });
      },
      remove: (index) => show({ ...view, chips: view.chips.filter((_, i) => i !== index) }),
      setTime: (time) => show({ ...view, time }),
    }),
    [view, show],
  );
}
