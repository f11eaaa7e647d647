/** Name and version of the program. */

export const programName = "coffer";
export const programVersion = "0.1.0";
/** As snapshots store it. */
export const programDescription: string = `${programName} ${programVersion}`;
