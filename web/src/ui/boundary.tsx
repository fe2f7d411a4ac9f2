/** Where a screen breaks, or cannot be loaded because a newer one has been deployed, it says so instead of vanishing. */
import { Component, type ReactNode } from 'react';
import { ErrorNotice } from './notice.tsx';

interface BoundaryProps {
  readonly children: ReactNode;
}

export class Boundary extends Component<BoundaryProps, { readonly error: Error | null }> {
  override state: { readonly error: Error | null } = { error: null };

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (error === null) return this.props.children;
    return (
      <>
        <h1 className="hidden-text">Eventree</h1>
        <ErrorNotice error={error} doing="This screen could not be shown" onRetry={() => location.reload()} />
      </>
    );
  }
}
