/** What few visits need, in a script of its own, which is loaded when the page has nothing better to do. */

export { ChatsDialog } from "./ChatsDialog";
export { DeleteDialog } from "./DeleteDialog";
export { transcriptName, transcriptText } from "../chat/transcript";
