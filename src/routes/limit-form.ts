import { LIMIT_NAMES, type Limits } from "../domain/limits.ts";
import { limitField } from "../pages/limit-fields.tsx";
import type { Form } from "../protocol/body.ts";

/** The limits of one place that an approver wrote down. What is no number is none: the page shows next what holds. */
export function readLimits(form: Form, place: string): Limits {
  return Object.fromEntries(
    LIMIT_NAMES.flatMap((name) => {
      const text = form.get(limitField(place, name)) ?? "";
      // Nobody writes 0 who wants more than the least.
      return /^[0-9]{1,15}$/.test(text) ? [[name, Math.max(1, Number(text))]] : [];
    }),
  );
}
