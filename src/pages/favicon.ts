/** The mark of the pages, for tabs. */
export const FAVICON =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 20 20'%3E%3Ccircle cx='10' cy='10' r='8' fill='none' stroke='%231f5fd0' stroke-width='2'/%3E%3Cpath d='M10 10V4.5a5.5 5.5 0 0 1 5.5 5.5z' fill='%231f5fd0'/%3E%3C/svg%3E";
