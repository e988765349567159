// The page of tokens: what JupyterHub's own script does not do in the reader's language.

import { showTimes } from "./times.js";

showTimes();
