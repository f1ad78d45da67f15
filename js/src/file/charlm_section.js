/**
 * The part of a metadata document that only a character model has.
 * @type {import("./metadata.js").Kinds}
 */
export const CHARLM = {
  charlm: {
    form: { start: "text", "end?": "text" },
    check({ start, end = null }, require, fits) {
      require(start, "charlm.start is empty");
      fits(start, "charlm.start");
      require(end === null || end === start, "charlm.end is not charlm.start");
      require(end === null || Array.from(end).length === 1, "charlm.end is not one character");
    },
  },
};
