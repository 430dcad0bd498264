/** How a message's time is written: the clock for today, with the day before. Pure, in the person's own language. */

const CLOCK: Intl.DateTimeFormatOptions = {
  hour: "2-digit",
  minute: "2-digit",
};
const DAY_AND_CLOCK: Intl.DateTimeFormatOptions = {
  ...CLOCK,
  day: "numeric",
  month: "short",
};

export function shortMoment(at: Date, now: Date, locale?: string): string {
  const today = at.toDateString() === now.toDateString();
  return at.toLocaleString(locale, today ? CLOCK : DAY_AND_CLOCK);
}

export function fullMoment(at: Date, locale?: string): string {
  return at.toLocaleString(locale, { dateStyle: "full", timeStyle: "medium" });
}
