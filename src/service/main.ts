import { fileStore } from '../store/file';
import { serveAs } from './serve';

void serveAs(() => fileStore);
