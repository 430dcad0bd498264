import { Component, type ReactNode } from "react";

import { Notice } from "./Notice";

type Props = { readonly children: ReactNode };
type State = { readonly broken: boolean };

/** A fault of the page itself is said, instead of an empty window. The conversation is with the server. */
export class ErrorBoundary extends Component<Props, State> {
  override readonly state: State = { broken: false };

  static getDerivedStateFromError(): State {
    return { broken: true };
  }

  override render() {
    if (!this.state.broken) {
      return this.props.children;
    }
    return (
      <Notice
        title="This page has stumbled"
        action="Reload"
        onAction={() => {
          window.location.reload();
        }}
      >
        What was said is kept. Reloading the page brings it back.
      </Notice>
    );
  }
}
