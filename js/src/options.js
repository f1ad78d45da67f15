import { OptionError } from "./errors.js";

/**
 * Return the defaults with the given options over them. `undefined` means the default.
 *
 * @template {object} T
 * @param {Partial<T>} options
 * @param {T} defaults
 * @returns {T}
 * @throws {OptionError} there is no option of that name.
 */
export function withDefaults(options, defaults) {
  const found = { ...defaults };
  for (const [name, value] of Object.entries(options)) {
    if (!(name in defaults)) {
      const known = Object.keys(defaults).join(", ");
      throw new OptionError(`there is no option '${name}'; use one of ${known}`);
    }
    if (value !== undefined) Object.assign(found, { [name]: value });
  }
  return found;
}

/**
 * Check an option that must be an integer from a smallest value on.
 *
 * @param {string} name
 * @param {number} value
 * @param {number} least
 * @throws {OptionError} it is not.
 */
export function checkInteger(name, value, least) {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new OptionError(`${name} must be an integer of ${least} or more, got ${value}`);
  }
}
