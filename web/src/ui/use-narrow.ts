/** Whether the window is narrower than so much. */
import { useSyncExternalStore } from 'react';

export function useNarrow(width: string): boolean {
  const query = `(max-width: ${width})`;
  return useSyncExternalStore(
    (changed) => {
      const media = matchMedia(query);
      media.addEventListener('change', changed);
      return () => media.removeEventListener('change', changed);
    },
    () => matchMedia(query).matches,
  );
}
