import { Component, type ReactNode } from "react";

import type { Strings } from "../language/en";
import { START } from "../window/address";
import { Notice } from "./Notice";

type Props = { readonly strings: Strings; readonly children: ReactNode };
type State = { readonly broken: boolean };

/**
 * A fault of the page itself is said, instead of an empty window. The conversation is with the server. If it is this
 * very chat that the page can't show, the start page is the way out.
 */
export class ErrorBoundary extends Component<Props, State> {
  override readonly state: State = { broken: false };

  static getDerivedStateFromError(): State {
    return { broken: true };
  }

  override render() {
    const { strings, children } = this.props;
    if (!this.state.broken) {
      return children;
    }
    const reload = () => {
      window.location.reload();
    };
    const toStart = () => {
      window.location.hash = START;
      reload();
    };
    return (
      <div className="page">
        <header className="header">
          <h1>{strings.title}</h1>
        </header>
        <main className="middle">
          <Notice
            title={strings.stumbled}
            actions={[
              { label: strings.reload, act: reload },
              { label: strings.toStart, act: toStart },
            ]}
          >
            {strings.stumbledKept}
          </Notice>
        </main>
      </div>
    );
  }
}
