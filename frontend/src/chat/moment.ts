/** How times are written, in the person's language and time zone. Pure, but for the formats, which are slow to make. */

const FORMATS = {
  clock: { hour: "2-digit", minute: "2-digit" },
  exact: { dateStyle: "full", timeStyle: "medium" },
  day: { weekday: "long", day: "numeric", month: "long" },
  dayOfYear: { weekday: "long", day: "numeric", month: "long", year: "numeric" },
  short: { day: "numeric", month: "short" },
  shortOfYear: { day: "numeric", month: "numeric", year: "2-digit" },
  sorted: { dateStyle: "short", timeStyle: "medium" },
} satisfies Record<string, Intl.DateTimeFormatOptions>;

const made = new Map<string, Intl.DateTimeFormat>();

export function format(at: number, how: keyof typeof FORMATS, locale: string): string {
  const name = `${how} ${locale}`;
  const known = made.get(name) ?? new Intl.DateTimeFormat(locale, FORMATS[how]);
  made.set(name, known);
  return known.format(at);
}

type Words = { readonly today: string; readonly yesterday: string };

/** The name of a message's day. */
export function dayName(at: number, now: number, locale: string, { today, yesterday }: Words): string {
  const days = daysBetween(at, now);
  if (days === 0) {
    return today;
  }
  if (days === 1) {
    return yesterday;
  }
  return format(at, new Date(at).getFullYear() === new Date(now).getFullYear() ? "day" : "dayOfYear", locale);
}

/** For lists: the clock for today, else the date. */
export function briefly(at: number, now: number, locale: string): string {
  if (daysBetween(at, now) === 0) {
    return format(at, "clock", locale);
  }
  return format(at, new Date(at).getFullYear() === new Date(now).getFullYear() ? "short" : "shortOfYear", locale);
}

export function isSameDay(one: number, other: number): boolean {
  return daysBetween(one, other) === 0;
}

/** Calendar days: a day may have 23 or 25 hours. */
function daysBetween(earlier: number, later: number): number {
  return Math.round((midnight(later) - midnight(earlier)) / 86_400_000);
}

function midnight(at: number): number {
  return new Date(at).setHours(0, 0, 0, 0);
}
