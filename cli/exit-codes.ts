/** What `stint run` ends with when it is not the program's own code, and `stint request` without a session. 125 to 127 are what env(1) and shells use. */
export const DENIED = 121;
export const NOT_DECIDED = 122;
export const NOT_RUN = 125;
export const CANNOT_RUN = 126;
export const NOT_FOUND = 127;
