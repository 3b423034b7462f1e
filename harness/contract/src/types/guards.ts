/** Whether `value` is an event that this client knows. */
export function isNotificationEvent(value: unknown): value is NotificationEvent {
  return (NOTIFICATION_EVENTS as readonly unknown[]).includes(value);
}

/**
 * Whether `value` is a notification: it has every required field, of the right type, and where the contract lists the
 * values of a field, one of them. Fields that the contract does not know are ignored, as a client must; formats,
 * lengths and ranges are not checked.
 */
export function isNotification(value: unknown): value is Notification {
  if (!isRecord(value)) return false;
  const event = value["event"];
  return isNotificationEvent(event) && CHECKS[event](value);
}

/**
 * The notification in a text frame, or undefined where there is nothing for this client: an event that it does not
 * know, which it must ignore because the backend may be newer, or no notification at all.
 */
export function parseNotification(text: string): Notification | undefined {
  const value = parseJson(text);
  return isNotification(value) ? value : undefined;
}

/**
 * Why the service closed the connection, from the browser's CloseEvent, or undefined where the close has no reason or
 * is none of the service's: a network that is gone (1006), or a proxy.
 */
export function parseCloseReason(event: { code: number; reason: string }): CloseReason | undefined {
  const value = parseJson(event.reason);
  const check = REASON_CHECKS.get(event.code);
  return check?.(value) ? value : undefined;
}

/** Whether `code` is of a close that the service begins; others come from the network, a proxy or this client. */
export function isCloseCode(code: number): code is CloseCode {
  return Object.values(CLOSES).some((close) => close.code === code);
}

/** What says whether a value is a `T`. A check that asks for less than its type does not compile. */
type Check<T> = (value: unknown) => value is T;

type Checks = Record<string, Check<unknown>>;

/** An object whose members pass these checks. */
type Checked<C extends Checks> = { [Name in keyof C]: C[Name] extends Check<infer T> ? T : never };

function object<R extends Checks, O extends Checks = {}>(
  required: R,
  optional?: O,
): Check<Checked<R> & Partial<Checked<O>>> {
  return (value): value is Checked<R> & Partial<Checked<O>> =>
    isRecord(value) &&
    Object.entries(required).every(([name, check]) => check(value[name])) &&
    Object.entries(optional ?? {}).every(([name, check]) => value[name] === undefined || check(value[name]));
}

function oneOf<T extends (string | number | boolean | null)[]>(...values: T): Check<T[number]> {
  return (value): value is T[number] => (values as unknown[]).includes(value);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
