// The page that is shown instead of a machine that is off: it goes on when the machine is started.

import { followMachine } from "./machine.js";

followMachine();
