import { fileStore } from '../store/file';
import { serveAs } from './serve';

serveAs(() => fileStore);
