/** The page's title, for tabs, bookmarks and screen readers. */
import { useEffect } from 'react';

export function useTitle(of: string): void {
  useEffect(() => {
    document.title = `${of} · Eventree`;
  }, [of]);
}
