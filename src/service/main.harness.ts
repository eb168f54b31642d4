import { faultyStore } from '../store/faulty';
import { serveAs } from './serve';

serveAs(faultyStore);
