/**
 * What a person said in this page, from the key press to the bot's reply: the states of one exchange and the steps
 * between them. Pure. Whether the server has recorded it is the timeline's question.
 */

export type Exchange = {
  readonly key: string;
  readonly text: string;
  readonly saidAt: Date;
  /** How many messages the transcript certainly had when this was said: it can only be recorded after them. */
  readonly after: number;
  /** An attempt ended without an answer, so the server may have recorded it nevertheless. */
  readonly uncertain: boolean;
  readonly progress: Progress;
};

export type Progress =
  | { readonly state: "sending" }
  | { readonly state: "answered"; readonly reply: string; readonly at: Date }
  | { readonly state: "failed"; readonly reason: string };

export type Step =
  | { readonly type: "said"; readonly exchange: Exchange }
  | { readonly type: "retried"; readonly key: string }
  | { readonly type: "answered"; readonly key: string; readonly reply: string; readonly at: Date }
  | { readonly type: "failed"; readonly key: string; readonly reason: string; readonly uncertain: boolean }
  | { readonly type: "withdrawn"; readonly key: string }
  /** Another chat begins. */
  | { readonly type: "left" };

export function step(exchanges: readonly Exchange[], step: Step): Exchange[] {
  switch (step.type) {
    case "said":
      return [...exchanges, step.exchange];
    case "left":
      return [];
    case "withdrawn":
      return exchanges.filter(({ key }) => key !== step.key);
    case "retried":
      return toTheEnd(change(exchanges, step.key, { progress: { state: "sending" } }), step.key);
    case "answered": {
      const { reply, at } = step;
      return change(exchanges, step.key, { progress: { state: "answered", reply, at } });
    }
    case "failed": {
      const progress: Progress = { state: "failed", reason: step.reason };
      // One uncertain attempt is enough, however clear the later ones are.
      return change(exchanges, step.key, step.uncertain ? { progress, uncertain: true } : { progress });
    }
  }
}

export function isAnswered({ progress }: Exchange): boolean {
  return progress.state === "answered";
}

/** The text box's content with those texts before it that would be lost otherwise. */
export function takeBack(exchanges: readonly Exchange[], draft: string): string {
  const unanswered = exchanges.filter((exchange) => !isAnswered(exchange));
  const texts = [...unanswered.map(({ text }) => text), draft];
  return texts.filter((text) => text.trim() !== "").join("\n");
}

function change(exchanges: readonly Exchange[], key: string, changed: Partial<Exchange>): Exchange[] {
  return exchanges.map((exchange) => (exchange.key === key ? { ...exchange, ...changed } : exchange));
}

/** What is said again is said after all others, on the page as in the transcript. */
function toTheEnd(exchanges: readonly Exchange[], key: string): Exchange[] {
  const isLast = (exchange: Exchange) => exchange.key === key;
  return [...exchanges.filter((exchange) => !isLast(exchange)), ...exchanges.filter(isLast)];
}
