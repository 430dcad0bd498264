/** A moment of the present day; another one when the next day has come. */

import { useEffect, useState } from "react";

import { isSameDay } from "../chat/moment";

const MINUTE_MS = 60_000;

export function useToday(): number {
  const [today, setToday] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => {
      setToday((before) => (isSameDay(before, Date.now()) ? before : Date.now()));
    }, MINUTE_MS);
    return () => {
      clearInterval(timer);
    };
  }, []);
  return today;
}
