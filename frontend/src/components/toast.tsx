import { createContext, use, useEffect, useState, type ReactNode } from "react";

/** How long a short remark is to be seen. It is also read out. */
const SHOWN_MS = 5000;

const ToastContext = createContext<(text: string) => void>(() => undefined);

/** Says something in passing: "Copied". */
export function useToast(): (text: string) => void {
  return use(ToastContext);
}

export function Toasts({ children }: { readonly children: ReactNode }) {
  const [toast, setToast] = useState({ text: "", number: 0 });
  const { number } = toast;
  useEffect(() => {
    const timer = setTimeout(() => {
      setToast((now) => (now.number === number ? { text: "", number } : now));
    }, SHOWN_MS);
    return () => {
      clearTimeout(timer);
    };
  }, [number]);
  const [say] = useState(() => (text: string) => {
    setToast((before) => ({ text, number: before.number + 1 }));
  });
  return (
    <ToastContext value={say}>
      {children}
      <p className="toast" role="status" data-empty={toast.text === ""}>
        {toast.text}
      </p>
    </ToastContext>
  );
}
