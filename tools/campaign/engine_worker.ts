/** The engine's Worker with its file operations counted. */

import "./watched_files.ts";
import "../../src/worker.ts";
