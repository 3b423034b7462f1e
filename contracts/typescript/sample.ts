/**
 * A small client: it keeps a list of what a teacher should see, and a connection. Copy what you need.
 *
 * It is compiled together with notifications.ts, so that the types are proven to be usable.
 */

import {
  CLOSES,
  isCloseCode,
  isNotificationEvent,
  NOTIFICATION_EVENTS,
  parseCloseReason,
  parseNotification,
} from "./notifications.js";
import type {
  Category,
  CloseCode,
  CloseName,
  CloseReason,
  Notification,
  NotificationEvent,
  NotificationOf,
  Priority,
  ResourceBreakdown,
} from "./notifications.js";

/** A line in the teacher's list. */
interface Item {
  text: string;
  /** Where the application goes when the teacher selects the line; nowhere when absent. */
  link?: string;
}

/** What the list shows for a notification. A new event in the contract is a compile error here. */
export function itemOf(notification: Notification): Item {
  switch (notification.event) {
    case "batch_files_uploaded":
    case "batch_file_removed":
      return { text: `${notification.data.filename}: ${notification.data.message}`, link: batch(notification) };
    case "batch_validation_failed": {
      const { filename, error_message, validation_error } = notification.data;
      return { text: `${filename}: ${error_message} (${validation_error})`, link: batch(notification) };
    }
    case "class_created": {
      const { class_designation, course_codes, class_id } = notification.data;
      return { text: `${class_designation} takes ${course_codes.join(", ")}`, link: `/classes/${class_id}` };
    }
    case "student_added_to_class": {
      const { student_name, class_designation, class_id } = notification.data;
      return { text: `${student_name} is in ${class_designation}`, link: `/classes/${class_id}` };
    }
    case "validation_timeout_processed": {
      const open = notification.data.auto_confirmed_associations.filter((match) => !match.is_confirmed);
      return { text: `${open.length} matches are yours to confirm`, link: batch(notification) };
    }
    case "student_associations_confirmed": {
      const unknown = notification.data.associations.filter((association) => association.student_id === null);
      return { text: `${unknown.length} essays are of nobody in the class`, link: batch(notification) };
    }
    case "batch_processing_started":
      return { text: `1 of ${notification.data.total_phases}: ${notification.data.first_phase}` };
    case "batch_spellcheck_completed":
    case "batch_cj_assessment_completed":
    case "batch_nlp_completed":
      return { text: progressOf(notification) };
    case "pipeline_completed":
      return { text: notification.data.message, link: batch(notification) };
    case "pipeline_denied_insufficient_credits":
    case "pipeline_denied_rate_limit":
      return { text: [notification.data.message, ...notification.data.next_steps].join(" ") };
    case "batch_results_ready": {
      // A phase may be missing, and one that is there may not have been measured.
      const seconds = notification.data.phase_results["spellcheck"]?.processing_time_seconds ?? undefined;
      const spelling = seconds === undefined ? "" : ` The spelling took ${seconds.toFixed(0)} s.`;
      return { text: notification.data.message + spelling, link: batch(notification) };
    }
    case "batch_assessment_completed":
      return notification.data.rankings_available
        ? { text: notification.data.message, link: batch(notification) }
        : { text: notification.data.message };
    case "batch_phase_concluded":
      return { text: `${notification.data.phase}: ${notification.data.status}` };
    case "essay_status_updated":
      return { text: `${notification.data.essay_id}: ${notification.data.status}` };
    default:
      return unreachable(notification);
  }
}

/** Three events of one shape need one function. */
function progressOf(
  notification: NotificationOf<
    "batch_spellcheck_completed" | "batch_cj_assessment_completed" | "batch_nlp_completed"
  >,
): string {
  const { phase_name, success_count, total_count } = notification.data;
  return `${phase_name}: ${success_count} of ${total_count}`;
}

function batch(notification: { data: { batch_id: string } }): string {
  return `/batches/${notification.data.batch_id}`;
}

/** A total function of a closed set is a table. */
const COLOURS: Record<Priority, string> = {
  critical: "red",
  immediate: "orange",
  high: "yellow",
  standard: "white",
  low: "grey",
};

/** The older events have no priority. */
export function colourOf(notification: Notification): string {
  return "priority" in notification.data ? COLOURS[notification.data.priority] : COLOURS.low;
}

/** The page that a notification belongs to; the older events belong to none. */
export function categoryOf(notification: Notification): Category | undefined {
  return "category" in notification.data ? notification.data.category : undefined;
}

/** By when the teacher has to act. */
export function deadlineOf(notification: NotificationOf<"batch_validation_failed">): Date | undefined {
  const { deadline } = notification.data;
  return deadline === null ? undefined : new Date(deadline);
}

/** The most expensive kind of work. */
export function costliest(breakdown: ResourceBreakdown): string | undefined {
  const [first] = Object.entries(breakdown).sort(([, one], [, other]) => other - one);
  return first?.[0];
}

/** What the user has chosen not to see, from a store that holds any string. */
export function muted(stored: string[]): Set<NotificationEvent> {
  return new Set(stored.filter(isNotificationEvent));
}

export const SETTINGS = NOTIFICATION_EVENTS.map((event) => ({ event, label: event.split("_").join(" ") }));

/** What a client does after a close. */
export type Next = "new token" | "reconnect" | "tell the user" | "report";

/** What to do after a close with a reason. A new error code in the contract is a compile error here. */
export function nextOf(reason: CloseReason): Next {
  switch (reason.error_code) {
    case "AUTHENTICATION_ERROR":
      // This one always has a correlation id; in the others it is optional.
      console.warn(`refused: ${reason.message} (${reason.correlation_id.toLowerCase()})`);
      return "new token";
    case "QUOTA_EXCEEDED":
      return "tell the user";
    case "SERVICE_UNAVAILABLE":
    case "SLOW_CONSUMER":
    case "SERVICE_SHUTDOWN":
    case "IDLE_TIMEOUT":
      return "reconnect";
    case "PROTOCOL_ERROR":
    case "INVALID_PAYLOAD":
    case "MESSAGE_TOO_BIG":
      console.error(`a defect of this client: ${reason.message} (${reason.correlation_id ?? "no correlation id"})`);
      return "report";
    default:
      return unreachable(reason);
  }
}

/** What to do after a close whose reason says nothing, by its code alone. */
const BY_CODE: Record<CloseCode, Next> = {
  1001: "reconnect",
  1002: "report",
  1007: "report",
  1008: "new token",
  1009: "report",
  1011: "reconnect",
  1013: "reconnect",
  4000: "tell the user",
};

/** What the contract says of a close, for a page for developers. */
export function explain(name: CloseName): string {
  const { code, errorCodes, when, client } = CLOSES[name];
  return `${code} ${errorCodes.join(", ")}: ${when} ${client}`;
}

/** Opens a connection that tells `show` what arrives and `after` what to do when it has closed. */
export function connect(url: URL, token: string, show: (item: Item) => void, after: (next: Next) => void): WebSocket {
  // A browser cannot set a header at the upgrade: the token goes into the query.
  url.searchParams.set("token", token);
  const socket = new WebSocket(url.href);
  socket.addEventListener("message", (message: MessageEvent<string>) => {
    const notification = parseNotification(message.data);
    // The backend may be newer than this client: what it does not know, it ignores.
    if (notification !== undefined) show(itemOf(notification));
  });
  socket.addEventListener("close", (close) => {
    const reason = parseCloseReason(close);
    if (reason !== undefined) after(nextOf(reason));
    else after(isCloseCode(close.code) ? BY_CODE[close.code] : "reconnect");
  });
  return socket;
}

function unreachable(value: never): never {
  throw new Error(`not in the contract: ${JSON.stringify(value)}`);
}
