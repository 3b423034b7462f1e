// expect: TS2345
import { parseNotification } from "../notifications.js";
import type { Notification } from "../notifications.js";

declare function show(notification: Notification): void;

export function received(text: string): void {
  show(parseNotification(text));
}
