/** Checks of options. */

import { OptionError, shown } from "./errors.js";

/**
 * Return the defaults with the given options over them. `undefined` means the default.
 *
 * @template {object} T
 * @param {Partial<T> | undefined} options
 * @param {T} defaults
 * @returns {T}
 * @throws {OptionError} there is no option of that name, or `options` is no object.
 */
export function withDefaults(options, defaults) {
  const found = { ...defaults };
  must(!options || typeof options === "object", "options", "given as an object", options);
  for (const [name, value] of Object.entries(options ?? {})) {
    if (!Object.hasOwn(defaults, name)) {
      const known = Object.keys(defaults).join(", ");
      throw new OptionError(`there is no option '${name}'; use one of ${known}`);
    }
    if (value !== undefined) Object.assign(found, { [name]: value });
  }
  return found;
}

/**
 * Check an option.
 *
 * @param {unknown} condition what must hold
 * @param {string} name
 * @param {string} rule what the option must be
 * @param {unknown} value
 * @throws {OptionError} it does not.
 */
export function must(condition, name, rule, value) {
  if (!condition) throw new OptionError(`${name} must be ${rule}, got ${shown(value)}`);
}

/**
 * Check an option that must be an integer from a smallest value on.
 *
 * @param {string} name
 * @param {unknown} value
 * @param {number} least
 * @throws {OptionError} it is not.
 */
export function checkInteger(name, value, least) {
  const fits = Number.isSafeInteger(value) && Number(value) >= least;
  must(fits, name, `an integer of ${least} or more`, value);
}

/**
 * Check an option that must be a number of a range.
 *
 * @param {string} name
 * @param {unknown} value
 * @param {number} least
 * @param {number} most
 * @throws {OptionError} it is not.
 */
export function checkRange(name, value, least, most) {
  const fits = Number.isFinite(value) && Number(value) >= least && Number(value) <= most;
  must(fits, name, `from ${least} to ${most}`, value);
}
